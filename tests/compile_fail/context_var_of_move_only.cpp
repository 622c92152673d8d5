// SPDX-License-Identifier: BSL-1.0
// expect: coir::context_var: T must be copyable
#include <coir/core/task/context.hpp>
#include <memory>

coir::context_var<std::unique_ptr<int>> misuse;
