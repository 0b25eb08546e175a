# Which runs a profile consists of and what each needs; how a run works is the business of `xpci run`.
#
#   snakemake                            the quick profile, tables and figures included
#   snakemake --config profile=smoke     another parameter profile (a folder of params/)
#   snakemake --config grid=controls     another grid of it: paper, full, controls or extended
#   snakemake --config gpus=8 --resources gpu=8    no more jobs on GPUs at once than there are; `xpci reproduce --gpus 8`
#   snakemake -n                         what would be done, and why
#
# A run is finished when its run.json exists, the only output that is declared: Snakemake deletes the declared
# outputs of a failed job, and checkpoints must survive it. Notebooks are no inputs either; what decides a stage's
# result (its parameters and its version) says whether it has to be repeated.
from shlex import quote

from snakemake.utils import min_version

from xpci_utils import paths
from xpci_utils.params.cells import LABELLER_PATTERN, Cell
from xpci_utils.params.places import (
    AUDITED,
    PAIRS_OF,
    audit_place,
    cell_place,
    labeller_place,
    labels_place,
    pairs_place,
    shard_place,
)
from xpci_utils.params.profiles import own_of, run_root
from xpci_utils.running.snakefile import (
    check_grid,
    needs,
    options,
    run_threads,
    stage_digest,
    stages_of,
)

min_version("9.20")

PROFILE = config.get("profile", "quick")
GRID = check_grid(config.get("grid", "paper"))
# Only where GPUs are shared: a resource that every job asks for would let jobs on the CPU run one at a time.
ONE_GPU = {"gpu": 1} if int(config.get("gpus", 0)) else {}
FRAMES = config.get("frames", "")  # folder of the user's own frames, for a profile whose source is "folder"
CLASSES = config.get("classes", "")
ROOT = run_root(PROFILE, config.get("run_root", ""))
FOLD = config.get("fold", 0)  # of a cross-validation of that folder: which frames are held out
OWN = {k: v for k, v in {"source_folder": FRAMES, "classes_file": CLASSES, "fold": FOLD}.items() if v}
STAGES = stages_of(PROFILE, GRID, paths.resolve(ROOT), OWN, force=bool(config.get("force")))
RUN = (
    "python -m xpci_utils.run {params.notebook} -f params/" + PROFILE + "/{params.notebook}.yaml -p run_root " + ROOT
)


def digest_of(place):
    """What decides the result of the stage of a place."""
    return stage_digest(PROFILE, place.notebook, **place.parameters, **own_of(place, OWN))


wildcard_constraints:
    labeller=LABELLER_PATTERN,
    pool="|".join(PAIRS_OF),
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",


rule report:
    input:
        [f"{ROOT}/{folder}/run.json" for folder in STAGES[:-1]],
    output:
        f"{ROOT}/report/run.json",
    params:
        notebook="06_tables_and_figures",
        digest=stage_digest(PROFILE, "06_tables_and_figures"),
    shell:
        RUN


rule frames:
    output:
        f"{ROOT}/frames/run.json",
    params:
        notebook="01_prepare_frames",
        digest=stage_digest(PROFILE, "01_prepare_frames", **OWN),
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
        digest=stage_digest(PROFILE, "02_train_ddpm"),
    threads: run_threads(PROFILE, "02_train_ddpm")
    resources:
        **ONE_GPU,
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
        digest=lambda wildcards: digest_of(labeller_place(wildcards.labeller, int(wildcards.seed))),
        options=lambda wildcards: options(labeller_place(wildcards.labeller, int(wildcards.seed))),
    threads: run_threads(PROFILE, "03_adapt_sam")
    resources:
        **ONE_GPU,
    priority: 50
    shell:
        RUN + "{params.options}"


rule shard:
    input:
        lambda wildcards: needs(PROFILE, pairs_place(wildcards.pool), ROOT),
    output:
        f"{ROOT}/pools/{{pool}}/shards/{{shard}}_of_{{shards}}/run.json",
    params:
        notebook="04a_sample_pairs",
        digest=lambda wildcards: digest_of(pairs_place(wildcards.pool)),
        options=lambda wildcards: options(
            shard_place(wildcards.pool, int(wildcards.shard), int(wildcards.shards))
        ),
    threads: run_threads(PROFILE, "04a_sample_pairs")
    resources:
        **ONE_GPU,
    priority: 90
    shell:
        RUN + "{params.options}"


rule pairs:
    input:
        lambda wildcards: needs(PROFILE, pairs_place(wildcards.pool), ROOT),
    output:
        f"{ROOT}/pools/{{pool}}/pairs/run.json",  # shards that are finished are taken up, and are no input
    params:
        notebook="04a_sample_pairs",
        digest=lambda wildcards: digest_of(pairs_place(wildcards.pool)),
        options=lambda wildcards: options(pairs_place(wildcards.pool), OWN),
    threads: run_threads(PROFILE, "04a_sample_pairs")
    resources:
        **ONE_GPU,
    priority: 90
    shell:
        RUN + "{params.options}"


rule labels:
    input:
        rules.pairs.output,
        rules.sam.output,
    output:
        f"{ROOT}/pools/{{pool}}/labels/{{labeller}}__s{{seed}}/run.json",
    params:
        notebook="04b_label_pairs",
        digest=lambda wildcards: digest_of(
            labels_place(wildcards.pool, wildcards.labeller, int(wildcards.seed))
        ),
        options=lambda wildcards: options(
            labels_place(wildcards.pool, wildcards.labeller, int(wildcards.seed))
        ),
    threads: run_threads(PROFILE, "04b_label_pairs")
    resources:
        **ONE_GPU,
    priority: 80
    shell:
        RUN + "{params.options}"


rule audit:
    input:
        lambda wildcards: needs(
            PROFILE, audit_place(wildcards.pool, wildcards.labeller, int(wildcards.seed)), ROOT
        ),
    output:
        f"{ROOT}/pools/{{pool}}/audit/{{labeller}}__s{{seed}}/run.json",
    wildcard_constraints:
        pool="|".join(AUDITED),
    params:
        notebook="04c_audit_pairs",
        digest=lambda wildcards: digest_of(
            audit_place(wildcards.pool, wildcards.labeller, int(wildcards.seed))
        ),
        options=lambda wildcards: options(
            audit_place(wildcards.pool, wildcards.labeller, int(wildcards.seed))
        ),
    threads: run_threads(PROFILE, "04c_audit_pairs")
    resources:
        **ONE_GPU,
    shell:
        RUN + "{params.options}"


rule segmentation:
    input:
        lambda wildcards: needs(PROFILE, cell_place(Cell.parse(wildcards.cell)), ROOT),
    output:
        f"{ROOT}/segmentation/{{cell}}/run.json",
    params:
        notebook="05_train_segmentation",
        digest=stage_digest(PROFILE, "05_train_segmentation"),
        options=lambda wildcards: options(cell_place(Cell.parse(wildcards.cell))),
    threads: run_threads(PROFILE, "05_train_segmentation")
    resources:
        **ONE_GPU,
    shell:
        RUN + "{params.options}"
