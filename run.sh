#!/usr/bin/env bash
# ./run.sh            install, run the bundled benchmark, print its report
# ./run.sh test       check style, types and imports, and run the test suite
#                     --quick leaves out the slow tests; other arguments go to pytest
# ./run.sh nightly    run the bundled benchmark afresh, report, compare with the last green nightly
# ./run.sh ARGS...    agbench ARGS... in the project's own environment
# AGBENCH_TORCH=cpu   takes builds of torch without CUDA, from PyTorch's own index, and so do later calls;
#                     AGBENCH_TORCH= takes the ordinary ones again
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$project/.venv
stamp=$venv/.installed

python=${PYTHON:-python3}
# As uv's --torch-backend takes it; by default what the environment was made with.
torch=${AGBENCH_TORCH-$(sed -n '$s/^torch //p' "$stamp" 2>/dev/null || true)}
export PYTHONNOUSERSITE=1

install() {
    echo "installing into .venv (once; one to two minutes)" >&2
    "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' ||
        { echo "run.sh: needs Python 3.10 to 3.13, found $("$python" --version); set PYTHON to another" >&2; exit 2; }
    # Where the home folder can't be written, packages can't be kept for the next time.
    mkdir -p "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/uv}" 2>/dev/null ||
        export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
    # Where the installation fails, the environment of before comes back.
    rm -rf "$venv.old"
    [ ! -e "$venv" ] || mv "$venv" "$venv.old"
    trap 'rm -rf "$venv"; [ ! -e "$venv.old" ] || mv "$venv.old" "$venv"' EXIT
    "$python" -m venv "$venv"
    # uv, not pip: pip can pick builds of torch and torchvision that do not fit each other.
    command -v uv >/dev/null || "$venv/bin/python" -m pip install --quiet uv >&2
    # Compiled once: otherwise each process compiles the stack anew where Python may not write beside its modules.
    packages | PATH=$PATH:$venv/bin uv pip install --quiet --compile-bytecode --python "$venv/bin/python" \
        ${torch:+--torch-backend "$torch"} -r - >&2
    PATH=$PATH:$venv/bin uv pip install --quiet --python "$venv/bin/python" --no-deps --editable "$project" >&2
    wanted >"$stamp"
    trap - EXIT
    rm -rf "$venv.old"
}

# The packages of the lock, without those of CUDA where another build of torch is wanted. nvidia-ml-py3 is none of
# them: AutoGluon needs it everywhere, and it is Python alone.
packages() {
    if [ -z "$torch" ]; then
        cat "$project/requirements.lock"
    else
        sed -E '/^nvidia-ml-py3==/!{/^(cuda-|nvidia-|triton==)/d;}' "$project/requirements.lock"
    fi
}

# What an environment was made from, and where: its scripts name their own folder.
wanted() {
    echo "$project" && cat "$project/requirements.lock" "$project/setup.cfg"
    [ -z "$torch" ] || echo "torch $torch"
}

wanted | cmp --silent - "$stamp" || install

if [ $# -eq 0 ]; then
    cd "$project"
    "$venv/bin/agbench" run --dataset patches --quick
    exec "$venv/bin/agbench" report --dataset patches --show
elif [ "$1" = test ]; then
    shift
    cd "$project"
    if [ "${1:-}" = --quick ]; then
        shift
        set -- -m "not slow" "$@"
    fi
    "$venv/bin/ruff" check .
    "$venv/bin/ruff" format --check .
    "$venv/bin/mypy"
    "$venv/bin/lint-imports" --no-cache
    # In memory where there is room: a disk is synced for each of some thousand small writes to databases.
    folder=${TMPDIR:-/tmp}
    if [ -w /dev/shm ] && [ "$(df -k /dev/shm | awk 'NR == 2 { print $4 }')" -gt 4000000 ]; then
        folder=/dev/shm
    fi
    TMPDIR=$(mktemp -d "$folder/agb-XXXXXX")
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
    "$venv/bin/python" -m pytest -n 2 --dist loadgroup "$@"
else
    exec "$venv/bin/agbench" "$@"
fi
