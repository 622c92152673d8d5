// SPDX-License-Identifier: BSL-1.0
#pragma once

// Functions in worker processes. Link coir::process_pool. This header brings cereal, with what it needs for the standard
// library's types.

#include <coir/core/sched/runtime.hpp>
#include <coir/executors/process/errors.hpp>
#include <coir/executors/process/options.hpp>
#include <coir/executors/process_pool.hpp>

#include <cereal/types/array.hpp>
#include <cereal/types/bitset.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/complex.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/list.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/unordered_set.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>
