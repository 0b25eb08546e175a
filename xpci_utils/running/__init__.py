"""Who runs the stages: the command ``xpci``, what the Snakefile asks, the runner of notebooks, status, JupyterLab."""
