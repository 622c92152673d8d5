# SPDX-License-Identifier: BSL-1.0
# Functions in a shared library, which the workers load as the program does, in a static one, which is part of it, and in one
# that a test loads.
add_library(coir_test_library SHARED "${CMAKE_CURRENT_LIST_DIR}/library/library.cpp")
add_library(coir_test_static_library STATIC "${CMAKE_CURRENT_LIST_DIR}/library/static_library.cpp")
add_library(coir_test_loaded_library MODULE "${CMAKE_CURRENT_LIST_DIR}/library/loaded.cpp")
foreach(library coir_test_library coir_test_static_library coir_test_loaded_library)
    coir_target_defaults(${library})
endforeach()
add_dependencies(coir_test_library coir_test_loaded_library)  # no program is linked to it
set(libraries coir_test_library coir_test_static_library dl)
set(definitions "COIR_TEST_LOADED_LIBRARY=\"$<TARGET_FILE:coir_test_loaded_library>\"")
