# SPDX-License-Identifier: BSL-1.0
#
# The parser's own header includes llhttp's.
include_directories(SYSTEM "${COIR_LLHTTP_INCLUDE_DIR}")
