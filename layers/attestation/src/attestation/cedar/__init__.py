"""Appraisal policies in Cedar: facts, judgement, and what is wrong with a policy text."""
