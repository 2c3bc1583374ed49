"""Sphinx extension: the first mention of a glossary term on a page becomes a link to what it means.

Authors write plain words, in notebooks too, and a reader who does not know one is a click from its explanation.
"""

import re

from docutils import nodes

GLOSSARY = "book/glossary"
CLICKABLE = "dropdown_title"  # of sphinx-design: a link within would be a click within a click
PASSED_OVER = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.caption, nodes.term, nodes.raw)
PAGES_WITHOUT = ("book/api", "book/house", "book/changelog", "book/references", GLOSSARY)


def link_first_mentions(app, doctree, docname):
    """Put a link in the place of the first plain mention of every term."""
    if docname.startswith(PAGES_WITHOUT):
        return
    glossary = app.env.domaindata["std"]["terms"]
    plain = set(app.config.terms_left_plain)
    places = {term: place for term, (page, place) in glossary.items() if page == GLOSSARY and term not in plain}
    linked = {reference.get("refuri", "").rpartition("#")[2] for reference in doctree.findall(nodes.reference)}
    waiting = {term: place for term, place in places.items() if place not in linked}
    for text in list(doctree.findall(nodes.Text)):
        around = list(_parents(text))
        taken = any(isinstance(node, PASSED_OVER) or type(node).__name__ == CLICKABLE for node in around)
        if waiting and not taken:
            text.parent.replace(text, _linked(text.astext(), waiting, app.builder.get_relative_uri(docname, GLOSSARY)))


def _parents(node):
    """Yield every node around one."""
    while node.parent is not None:
        node = node.parent
        yield node


def _linked(text, waiting, glossary):
    """Nodes of a text with links at the terms that still wait; those that are found wait no longer."""
    pieces = []
    while waiting:
        longest_first = sorted(map(re.escape, waiting), key=len, reverse=True)
        found = re.search(rf"\b({'|'.join(longest_first)})(s?)\b", text, flags=re.IGNORECASE)
        if found is None:
            break
        place = waiting.pop(found[1].lower())
        link = nodes.reference("", found[0], internal=True, refuri=f"{glossary}#{place}", classes=["fusqa-term"])
        pieces += [nodes.Text(text[: found.start()]), link]
        text = text[found.end() :]
    return [*pieces, nodes.Text(text)]


def setup(app):
    """Register the setting and the hook."""
    app.add_config_value("terms_left_plain", [], "html")
    app.connect("doctree-resolved", link_first_mentions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
