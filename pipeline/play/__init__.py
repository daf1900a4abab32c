"""`make play`: a page on which the loop is played, served to this machine's browser alone."""
