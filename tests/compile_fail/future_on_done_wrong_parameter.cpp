// SPDX-License-Identifier: BSL-1.0
// expect: coir::future::on_done: f must be callable as f()
#include <coir/core/task/future.hpp>

void misuse(coir::future<int>& f) {
    f.on_done([](int) {});
}
