# SPDX-License-Identifier: BSL-1.0
#
# They measure time against a control, and keep the machine busy.
set(run_serial TRUE)
set(timeout 300)
find_package(ZLIB REQUIRED)
set(libraries ZLIB::ZLIB)
