# SPDX-License-Identifier: BSL-1.0
set(run_serial TRUE)
# A hundred rounds of a hundred jobs each, which go from process to process: where others want the cores, twelve times as long.
set(timeout 300)
