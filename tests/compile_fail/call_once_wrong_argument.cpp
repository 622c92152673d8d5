// SPDX-License-Identifier: BSL-1.0
// expect: coir::call_once: f must be callable with the arguments
#include <coir/sync/call_once.hpp>

void misuse(coir::once_flag& flag) {
    coir::call_once(flag, [](int) {});
}
