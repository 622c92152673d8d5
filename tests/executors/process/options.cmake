# SPDX-License-Identifier: BSL-1.0
# Functions in a shared library, which the workers load as the program does.
add_library(coir_test_library SHARED "${CMAKE_CURRENT_LIST_DIR}/library/library.cpp")
coir_target_defaults(coir_test_library)
set(libraries coir_test_library dl)
