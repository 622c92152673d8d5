# SPDX-License-Identifier: BSL-1.0
# shellcheck shell=bash
#
# What ./dev, .ci/run and the scripts beside this file share: where things are, packages, builds, counts.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_root=$root/build
jobs=${COIR_JOBS:-$(nproc)}

# One cache serves all presets and copies of the tree: paths are hashed relative to the tree, and every build directory
# lies equally deep in it.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

say() { printf '== %s\n' "$*"; }
die() {
    printf 'dev: %s\n' "$*" >&2
    exit 2
}

# matches <name> [pattern...]: no pattern, or one that the name holds.
matches() {
    local name=$1 pattern
    shift
    [ $# -gt 0 ] || return 0
    for pattern in "$@"; do
        [[ $name != *"$pattern"* ]] || return 0
    done
    return 1
}

# The files of the tree as it stands, committed or not, sorted.
tree_files() {
    local file
    if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$root" ls-files --cached --others --exclude-standard
    else
        (cd "$root" && find . -type f -not -path './build/*' -printf '%P\n')
    fi | sort -u | while IFS= read -r file; do
        # What git still lists may have been deleted.
        [ ! -f "$root/$file" ] || printf '%s\n' "$file"
    done
}

# ---- packages --------------------------------------------------------------------------------------------------------

packages_of() {
    case $1 in
    serve)
        echo gcc g++ cmake ninja-build ccache libboost1.81-dev libboost-context1.81-dev node-llhttp \
            libcereal-dev libcli11-dev libfmt-dev nlohmann-json3-dev zlib1g-dev
        ;;
    test) echo "$(packages_of serve)" libtbb-dev libgtest-dev libgmock-dev relacy-dev spin curl wrk ;;
    bench)
        echo "$(packages_of serve)" curl wrk libbenchmark-dev libtbb-dev libboost-fiber1.81-dev python3 \
            cargo librust-tokio-dev
        ;;
    clang) echo clang-14 libclang-rt-14-dev ;;
    fuzz) echo "$(packages_of test)" "$(packages_of clang)" llvm-14 ;;
    check) echo "$(packages_of test)" "$(packages_of clang)" git clang-format-14 clang-tidy-14 ;;
    mutants) echo patch ;;
    git) echo git ;;
    curl) echo curl ;;
    chroot) echo debootstrap git curl ;;
    ci) echo "$(packages_of check)" "$(packages_of bench)" "$(packages_of mutants)" procps chromium ;;
    *) die "no such group of packages: $1" ;;
    esac
}

# need_packages <group>...: installs what is missing, when this is Debian and we are root.
need_packages() {
    local group packages wanted=() missing=() installed package
    for group in "$@"; do
        packages=$(packages_of "$group") || exit
        read -ra packages <<<"$packages"
        wanted+=("${packages[@]}")
    done
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: taking it that the likes of ${wanted[*]} are here"
        return
    fi
    # dpkg-query complains about names that it has never seen; those are the missing ones.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
    for package in "${wanted[@]}"; do
        if ! grep -qxF "installed $package" <<<"$installed"; then
            missing+=("$package")
        fi
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        die "missing Debian packages. As root: apt-get install --no-install-recommends ${missing[*]}"
    fi
    install_packages "${missing[@]}"
}

install_packages() {
    local log apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    say "installing $*"
    log=$(mktemp)
    if ! { "${apt[@]}" update && DEBIAN_FRONTEND=noninteractive "${apt[@]}" install --no-install-recommends "$@"; } \
        </dev/null >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: $*"
    fi
    rm -f "$log"
}

# ---- builds ----------------------------------------------------------------------------------------------------------

# configure <preset> [cmake argument...]
configure() {
    local preset=$1 log
    shift
    mkdir -p "$build_root"
    log=$build_root/configure-$preset.log
    if ! (cd "$root" && cmake --preset "$preset" "$@") </dev/null >"$log" 2>&1; then
        cat "$log" >&2
        return 1
    fi
}

# build <preset> [target...]
build() {
    local preset=$1 targets=()
    shift
    [ $# -eq 0 ] || targets=(--target "$@")
    configure "$preset" && cmake --build "$build_root/$preset" -j "$jobs" "${targets[@]}" </dev/null
}

# ---- counts ----------------------------------------------------------------------------------------------------------

passed=0
failed=0
failures=()            # what failed, each with the first lines that it printed
output_mark="    | "   # before such a line, also in what tools/junit.awk prints

count_failure() {
    failed=$((failed + 1))
    failures+=("$1")
}

# counted <name> <command>...: the command is one test. It gets no terminal, and its own status is never lost.
counted() {
    local name=$1 start=$SECONDS
    shift
    say "$name"
    if "$@" </dev/null; then
        passed=$((passed + 1))
    else
        count_failure "$name"
    fi
    say "$name: $((SECONDS - start)) s"
}

# counted_build <preset> [target...]: a build that fails is one failed test; one that succeeds is none.
counted_build() {
    say "build: $1"
    if ! build "$@"; then
        count_failure "build: $1"
        return 1
    fi
}

# counted_ctest <preset> [ctest argument...]: counts the tests in ctest's own report.
counted_ctest() {
    local preset=$1 junit=$build_root/$1/ctest.xml status=0 wrapper=()
    shift
    say "ctest: $preset"
    rm -f "$junit"
    # GCC 12's ThreadSanitizer cannot map its shadow where the kernel randomises addresses with more than 28 bits.
    if [ "$preset" = tsan ] && setarch -R true 2>/dev/null; then
        wrapper=(setarch -R)
    fi
    (cd "$root" && "${wrapper[@]}" ctest --preset "$preset" -j "$jobs" \
        --output-junit "$junit" "$@") </dev/null || status=$?
    count_junit "$preset" "$junit" "$status"
}

# count_junit <preset> <file> <ctest's status>: a test that was not run counts as failed, unless it skipped itself.
count_junit() {
    local preset=$1 junit=$2 status=$3 name state before=$failed skipped=0
    if [ ! -s "$junit" ]; then
        count_failure "$preset: ctest ended with status $status and no report"
        return
    fi
    while IFS=$'\t' read -r state name; do
        case $state in
        run) passed=$((passed + 1)) ;;
        skipped | disabled) skipped=$((skipped + 1)) ;;
        "$output_mark"*) failures[-1]+=$'\n'$state ;;
        *) count_failure "$preset: $name" ;;
        esac
    done < <(awk -f "$root/tools/junit.awk" "$junit")
    [ "$skipped" -eq 0 ] || say "$preset: $skipped skipped"
    if [ "$status" -ne 0 ] && [ "$failed" -eq "$before" ]; then
        count_failure "$preset: ctest ended with status $status"
    fi
}

# counted_script <command>...: adds what the command counted in its last line `N passed, N failed`.
counted_script() {
    local log status=0 last line start=$SECONDS
    say "$*"
    log=$(mktemp)
    "$@" </dev/null 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
    last=$(tail -n 1 "$log")
    while IFS= read -r line; do
        case $line in
        "not passed: "*) failures+=("${line#not passed: }") ;;
        *) [ ${#failures[@]} -eq 0 ] || failures[-1]+=$'\n'$line ;;
        esac
    done < <(grep "^not passed: \|^$output_mark" "$log" || true)
    rm -f "$log"
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        if [ "$status" -ne 0 ] && [ "${BASH_REMATCH[2]}" -eq 0 ]; then
            count_failure "$*: status $status"
        fi
    else
        count_failure "$*: status $status and no count"
    fi
    say "$*: $((SECONDS - start)) s"
}

report_and_exit() {
    local failure
    for failure in "${failures[@]}"; do
        printf 'not passed: %s\n' "$failure"
    done
    if [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ]; then
        say "nothing was tested"
        exit 1
    fi
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit
}
