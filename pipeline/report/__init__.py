"""One run on one page: what was measured becomes HTML text, without any file or network.

`page.render` takes the `Evidence` of a run and returns the page. Each section has a module that
works out what it shows, and a template of the same name.
"""
