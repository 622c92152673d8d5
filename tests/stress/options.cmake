# SPDX-License-Identifier: BSL-1.0
set(run_serial TRUE)
set(hot TRUE)
