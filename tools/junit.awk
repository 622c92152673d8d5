# SPDX-License-Identifier: BSL-1.0
#
# From ctest's JUnit report to one line a test: its state, a tab, its name. A state is run (and passed), fail, skipped
# (the test skipped itself), disabled, or notrun (ctest could not start it: not built, or not found).

function finish() {
    if (name != "")
        print (state == "notrun" && self_skipped ? "skipped" : state) "\t" name
    name = ""
}

/^[ \t]*<testcase / {
    finish()
    name = $0
    sub(/.*<testcase name="/, "", name)
    sub(/".*/, "", name)
    state = $0
    sub(/.* status="/, "", state)
    sub(/".*/, "", state)
    self_skipped = 0
}

/^[ \t]*<skipped message="SKIP_/ { self_skipped = 1 }

END { finish() }
