"""What people look at: a run on one page, the tables of runs and submissions, pictures of digits.

The page: `gather` reads what a run left into `Evidence`, and `page` makes HTML of it that needs no
other file and no network. Each section has a module that works out what it shows, and a template
of the same name.
"""
