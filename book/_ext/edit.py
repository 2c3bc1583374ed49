"""Sphinx extension: below every page, a link that opens its source in the repository's editor.

The theme's own button opens the page that was built. Here that is often a copy: an executed notebook, or a page that
code has completed. The address is ``repository.url`` of ``_config.yml``; where it is empty, there is no link, nor in a
book that is printed or packed.
"""

import html

GENERATED = "book/api_"  # pages written from docstrings
COPIED = {"book/changelog": "CHANGELOG.md"}


def source_of(page):
    """Path in the repository of what a page of the book is made of; None where no single file is."""
    folder, _, name = page.partition("/")
    if not name or page.startswith(GENERATED):
        return None
    if page in COPIED:
        return COPIED[page]
    return f"{page}.md" if folder == "book" else f"notebooks/{name.partition('__')[0]}.ipynb"


def add_link(app, page, template, context, doctree):
    """Put the link behind the footer of a page."""
    options = app.config.html_theme_options
    repository, source = options.get("repository_url", "").removesuffix("/"), source_of(page)
    if repository and source and doctree and app.builder.name == "html":
        address = html.escape(f"{repository}/edit/{options['repository_branch']}/{source}")
        context["theme_extra_footer"] += f'<p><a href="{address}">Edit this page</a></p>'


def setup(app):
    """Register the hook."""
    app.connect("html-page-context", add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
