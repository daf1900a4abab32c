"""What people look at: a run on one page, the tables of runs and submissions, pictures of digits.

The page: `gather` reads what a run left into `Evidence`, and `page` makes HTML of it that needs no
other file and no network. Each section is a function that works out what its template shows.
"""
