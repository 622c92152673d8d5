# SPDX-License-Identifier: BSL-1.0
# Functions in a shared library, which the workers load as the program does, and in a static one, which is part of it.
add_library(coir_test_library SHARED "${CMAKE_CURRENT_LIST_DIR}/library/library.cpp")
add_library(coir_test_static_library STATIC "${CMAKE_CURRENT_LIST_DIR}/library/static_library.cpp")
foreach(library coir_test_library coir_test_static_library)
    coir_target_defaults(${library})
endforeach()
set(libraries coir_test_library coir_test_static_library dl)
