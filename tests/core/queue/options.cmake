# SPDX-License-Identifier: BSL-1.0
#
# All of it is in headers.
set(hot TRUE)
