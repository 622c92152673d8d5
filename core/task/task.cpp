// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task.hpp>

namespace coir::detail {

void apply_options(task_base& task, task_options&& options) {
    if (!options.name.empty()) {
        task.set_name(std::move(options.name));
    }
    if (options.stack_size != 0) {
        task.extra().stack_size = options.stack_size;
        task.has_own_stack = true;
    }
}

}  // namespace coir::detail
