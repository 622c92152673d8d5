# SPDX-License-Identifier: BSL-1.0
#
# tests/model: what a checker explores instead of what a machine happens to run.
#
# x_model.cpp is a Relacy program of its own, test model/x. It is built once more for each seeded mistake that it knows:
# with COIR_MODEL_WRONG=1, and with each further number that it compares COIR_MODEL_WRONG with (== or !=). x.pml is a
# Spin model, test model/spin_x, and in the same way again with -DWRONG=1 and so on. The checker must reject each wrong
# variant and say why, or the test fails: a model that accepts anything proves nothing.
#
# Sanitizers are kept out: the checkers bring their own stacks and their own memory. The presets that differ from release
# only in how code is generated leave models out, too: what a model explores does not depend on that.

option(COIR_BUILD_MODELS "Build the tests in tests/model" ON)
if(COIR_SANITIZE OR NOT COIR_BUILD_MODELS)
    return()
endif()

set(model_dir "${CMAKE_CURRENT_SOURCE_DIR}/model")
set(model_timeout 300)

# Sets ${out_var} to 1 and the other numbers that `file` compares `macro` with.
function(coir_wrong_variants out_var file macro)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    set(variants 1)
    file(STRINGS "${file}" lines REGEX "${macro} [!=]= [0-9]+")
    foreach(line IN LISTS lines)
        string(REGEX MATCHALL "${macro} [!=]= [0-9]+" comparisons "${line}")
        foreach(comparison IN LISTS comparisons)
            string(REGEX REPLACE ".* " "" number "${comparison}")
            list(APPEND variants ${number})
        endforeach()
    endforeach()
    list(REMOVE_DUPLICATES variants)
    list(SORT variants COMPARE NATURAL)
    list(FILTER variants EXCLUDE REGEX "^0$")
    set(${out_var} ${variants} PARENT_SCOPE)
endfunction()

# Sets ${out_var} to the name of a wrong variant: x_wrong, and x_wrong_2 from the second on.
function(coir_wrong_name out_var name variant)
    set(wrong ${name}_wrong)
    if(variant GREATER 1)
        string(APPEND wrong _${variant})
    endif()
    set(${out_var} ${wrong} PARENT_SCOPE)
endfunction()

function(coir_add_model_test name)
    add_test(NAME model/${name} COMMAND ${ARGN})
    set_tests_properties(model/${name} PROPERTIES LABELS model TIMEOUT ${model_timeout})
endfunction()

# ---- Relacy ----------------------------------------------------------------------------------------------------------

function(coir_add_relacy_program target source)
    add_executable(${target} "${source}")
    target_compile_features(${target} PRIVATE cxx_std_20)
    target_include_directories(${target} PRIVATE "${PROJECT_BINARY_DIR}/include" "${PROJECT_SOURCE_DIR}")
    target_include_directories(${target} SYSTEM PRIVATE "${COIR_RELACY_INCLUDE_DIR}")
    target_compile_definitions(${target} PRIVATE COIR_MODEL=1 ${ARGN})
    # Relacy's macros expand in our lines, so what GCC says of them cannot be told from what it says of us.
    target_compile_options(${target} PRIVATE -w)
    # In every preset: a model runs for seconds, and beyond -O1 takes longer to compile than it then saves.
    target_compile_options(${target} PRIVATE -O1 -g0)
    target_link_libraries(${target} PRIVATE Threads::Threads)
endfunction()

file(GLOB relacy_models CONFIGURE_DEPENDS "${model_dir}/*_model.cpp")
if(relacy_models)
    find_path(COIR_RELACY_INCLUDE_DIR relacy/relacy.hpp REQUIRED)
    mark_as_advanced(COIR_RELACY_INCLUDE_DIR)
endif()
foreach(source IN LISTS relacy_models)
    get_filename_component(name "${source}" NAME_WE)
    string(REGEX REPLACE "_model$" "" name "${name}")
    coir_add_relacy_program(coir_model_${name} "${source}")
    coir_add_model_test(${name} $<TARGET_FILE:coir_model_${name}>)

    coir_wrong_variants(variants "${source}" COIR_MODEL_WRONG)
    foreach(variant IN LISTS variants)
        coir_wrong_name(wrong ${name} ${variant})
        coir_add_relacy_program(coir_model_${wrong} "${source}" COIR_MODEL_WRONG=${variant})
        coir_add_model_test(${wrong}
            "${CMAKE_CURRENT_SOURCE_DIR}/cmake/relacy_rejects" $<TARGET_FILE:coir_model_${wrong}>)
    endforeach()
endforeach()

# ---- Spin ------------------------------------------------------------------------------------------------------------

file(GLOB spin_models CONFIGURE_DEPENDS "${model_dir}/*.pml")
if(spin_models)
    find_program(COIR_SPIN spin REQUIRED)
    mark_as_advanced(COIR_SPIN)
endif()
foreach(source IN LISTS spin_models)
    get_filename_component(name "${source}" NAME_WE)
    set(run_spin "${CMAKE_CURRENT_SOURCE_DIR}/cmake/run_spin" "${COIR_SPIN}" "${CMAKE_C_COMPILER}" "${source}")
    set(work_dir "${CMAKE_CURRENT_BINARY_DIR}/spin")
    coir_add_model_test(spin_${name} ${run_spin} accept "${work_dir}/${name}")

    coir_wrong_variants(variants "${source}" WRONG)
    foreach(variant IN LISTS variants)
        coir_wrong_name(wrong ${name} ${variant})
        coir_add_model_test(spin_${wrong} ${run_spin} reject "${work_dir}/${wrong}" -DWRONG=${variant})
    endforeach()
endforeach()
