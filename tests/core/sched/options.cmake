# SPDX-License-Identifier: BSL-1.0
#
# A million parked tasks take 4.5 GB, and workers that compute need their cores.
set(run_serial TRUE)
set(timeout 180)
