"""Models: recipes for AutoGluon's predictors."""
