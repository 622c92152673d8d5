// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task.hpp>

#include "core/fiber/slab.hpp"

namespace coir::detail {

void apply_options(task_base& task, task_options&& options) {
    if (!options.name.empty()) {
        task.set_name(std::move(options.name));
    }
    if (options.stack_size != 0) {
        stack_geometry::for_size(options.stack_size);  // throws for one that can never be had
        task.set_own_stack_size(options.stack_size);
    }
    if (options.strand) {
        task.join_strand(options.strand->state());
    }
}

}  // namespace coir::detail
