"""Going back when neither server nor ledger answers, and what prepares for that day and follows it."""
