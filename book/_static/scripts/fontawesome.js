/* In place of the theme's script of this name, which brings two thousand icons in 1.5 MB. The dozen that the pages use come
   from the theme's icon font, which they load anyway. */
