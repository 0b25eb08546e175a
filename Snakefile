# Which runs a profile consists of and what each needs; how a run works is xpci_utils.run's business.
#
#   snakemake                            the quick profile, tables and figures included
#   snakemake --config profile=smoke     another parameter profile (a folder of params/)
#   snakemake --config grid=controls     another grid of it: paper, full, controls or extended
#   snakemake -n                         what would be done, and why
#
# A run is finished when its run.json exists, the only output that is declared: Snakemake deletes the declared
# outputs of a failed job, and checkpoints must survive it. Notebooks are no inputs either; a rule's recipe
# (its code without prose, and its parameters) decides whether it has to be repeated.
from shlex import quote

from snakemake.utils import min_version

from xpci_utils import grid, paths
from xpci_utils.params import Sweep
from xpci_utils.workflow import check_grid, needs, notebook_recipe, run_root, run_threads

min_version("9.20")

PROFILE = config.get("profile", "quick")
GRID = check_grid(config.get("grid", "paper"))
FRAMES = config.get("frames", "")  # folder of the user's own frames, for a profile whose source is "folder"
CLASSES = config.get("classes", "")
ROOT = run_root(PROFILE, config.get("run_root", ""))
SWEEP = Sweep.from_yaml(f"params/{PROFILE}/sweep.yaml")
FOLD = config.get("fold", 0)  # of a cross-validation of that folder: which frames are held out
OWN = {k: v for k, v in {"source_folder": FRAMES, "classes_file": CLASSES, "fold": FOLD}.items() if v}
RUN = "python -m xpci_utils.run {params.notebook} -f params/" + PROFILE + "/{params.notebook}.yaml -p run_root " + ROOT


wildcard_constraints:
    labeller=grid.LABELLER.pattern,
    pool="|".join(grid.PAIRS_OF),
    seed=r"\d+",


rule report:
    input:
        [f"{ROOT}/{folder}/run.json" for folder in grid.stage_folders(SWEEP, GRID)[:-1]],
    output:
        f"{ROOT}/report/run.json",
    params:
        notebook="06_tables_and_figures",
        recipe=notebook_recipe(PROFILE, "06_tables_and_figures"),
    shell:
        RUN


rule frames:
    output:
        f"{ROOT}/frames/run.json",
    params:
        notebook="01_prepare_frames",
        recipe=notebook_recipe(PROFILE, "01_prepare_frames", **OWN),
    threads: run_threads(PROFILE, "01_prepare_frames")
    shell:
        RUN + "".join(f" -p {name} {quote(str(value))}" for name, value in OWN.items())


rule ddpm:
    input:
        rules.frames.output,
    output:
        f"{ROOT}/ddpm/run.json",
    params:
        notebook="02_train_ddpm",
        recipe=notebook_recipe(PROFILE, "02_train_ddpm"),
    threads: run_threads(PROFILE, "02_train_ddpm")
    priority: 100  # everything synthetic waits for it
    shell:
        RUN


rule sam:
    input:
        rules.frames.output,
    output:
        f"{ROOT}/sam/{{labeller}}__s{{seed}}/run.json",
    params:
        notebook="03_adapt_sam",
        recipe=lambda wildcards: notebook_recipe(
            PROFILE, "03_adapt_sam", labeller=wildcards.labeller, seed=int(wildcards.seed)
        ),
    threads: run_threads(PROFILE, "03_adapt_sam")
    priority: 50
    shell:
        RUN + " -p labeller {wildcards.labeller} -p seed {wildcards.seed}"


rule pairs:
    input:
        lambda wildcards: needs(PROFILE, grid.pairs_folder(wildcards.pool), ROOT),
    output:
        f"{ROOT}/pools/{{pool}}/pairs/run.json",
    params:
        notebook="04_generate_synthetic",
        recipe=lambda wildcards: notebook_recipe(PROFILE, "04_generate_synthetic", pool=wildcards.pool),
    threads: run_threads(PROFILE, "04_generate_synthetic")
    priority: 90
    shell:
        RUN + " -p pool {wildcards.pool}"


rule labels:
    input:
        rules.pairs.output,
        rules.sam.output,
    output:
        f"{ROOT}/pools/{{pool}}/labels/{{labeller}}__s{{seed}}/run.json",
    params:
        notebook="04_generate_synthetic",
        recipe=lambda wildcards: notebook_recipe(
            PROFILE,
            "04_generate_synthetic",
            pool=wildcards.pool,
            labeller=wildcards.labeller,
            labeller_seed=int(wildcards.seed),
        ),
    threads: run_threads(PROFILE, "04_generate_synthetic")
    priority: 80
    shell:
        RUN + " -p pool {wildcards.pool} -p labeller {wildcards.labeller} -p labeller_seed {wildcards.seed}"


rule segmentation:
    input:
        lambda wildcards: needs(PROFILE, f"segmentation/{wildcards.cell}", ROOT),
    output:
        f"{ROOT}/segmentation/{{cell}}/run.json",
    params:
        notebook="05_train_segmentation",
        recipe=notebook_recipe(PROFILE, "05_train_segmentation"),
    threads: run_threads(PROFILE, "05_train_segmentation")
    shell:
        RUN + " -p cell {wildcards.cell}"
