// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   timed_mutex   a mutex with try_lock_for and try_lock_until

#include <coir/sync/mutex.hpp>  // where it stands, beside the mutex that it is
