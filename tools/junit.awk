# SPDX-License-Identifier: BSL-1.0
#
# From ctest's JUnit report to one line a test: its state, a tab, its name. A state is run (and passed), fail, skipped
# (the test skipped itself), disabled, or notrun (ctest could not start it: not built, or not found). A test that failed
# is followed by the first lines of what it printed, each behind "    | ".

function finish(    i) {
    if (name != "") {
        print (state == "notrun" && self_skipped ? "skipped" : state) "\t" name
        for (i = 1; i <= printed && state == "fail"; ++i)
            print "    | " text[i]
    }
    name = ""
    printed = 0
    in_output = 0
}

function keep(line) {
    gsub(/&lt;/, "<", line)
    gsub(/&gt;/, ">", line)
    gsub(/&quot;/, "\"", line)
    gsub(/&apos;/, "'", line)
    gsub(/&amp;/, "\\&", line)
    gsub(/\t/, "    ", line)
    # What GoogleTest says around each test tells nothing about this one.
    if (printed < 30 && line !~ /^(Running main|Note: |\[(==|--|  )|\[ (RUN|DISABLED)|[ \t]*$)/)
        text[++printed] = substr(line, 1, 400)
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

/<system-out>/ {
    in_output = 1
    sub(/.*<system-out>/, "")
}

in_output {
    ends = /<\/system-out>/
    sub(/<\/system-out>.*/, "")
    keep($0)
    in_output = !ends
}

END { finish() }
