"""How fast everything is: rates, times and memory, each measured several times in one run.

What is compared is measured in turn, round after round, so that whatever else the machine does
falls on all of it alike. Images are synthetic wherever accuracy is not the question.
"""
