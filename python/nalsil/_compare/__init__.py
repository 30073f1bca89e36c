"""`nalsil compare`: one piece of work in every form it can take, measured, with a verdict.

The parent (command, conductor) never imports the work. Each form runs in a child process of its
own (child, forms), which measures when it is told to; the parent plans, collects and reports.
"""
