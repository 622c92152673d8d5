// SPDX-License-Identifier: BSL-1.0
#pragma once

// Computing on oneTBB, awaited from tasks: link coir::compute.

#include <coir/executors/compute.hpp>
