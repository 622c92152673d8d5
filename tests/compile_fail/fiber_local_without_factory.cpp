// SPDX-License-Identifier: BSL-1.0
// expect: coir::fiber_local: T has no default constructor
#include <coir/core/task/context.hpp>

struct needs_a_name {
    explicit needs_a_name(char const* name);
};

coir::fiber_local<needs_a_name> misuse;
