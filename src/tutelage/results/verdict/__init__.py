"""Did the unlabeled images help, and if not, why?"""
