# SPDX-License-Identifier: BSL-1.0
#
# Some give one thread precedence over another on one processor: what else runs there would starve the other.
set(run_serial TRUE)
set(timeout 300)
set(hot TRUE)
