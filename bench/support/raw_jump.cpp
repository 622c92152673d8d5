// SPDX-License-Identifier: BSL-1.0
#include "bench/support/raw_jump.hpp"

#include <boost/context/detail/fcontext.hpp>

#include <cstddef>
#include <memory>

namespace bench {
namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

[[noreturn]] void count_up(transfer_t from) {
    auto& count = *static_cast<std::uint64_t*>(from.data);
    for (;;) {
        ++count;
        from = jump_fcontext(from.fctx, nullptr);
    }
}

}  // namespace

competitor raw_jump() {
    return {"raw jump_fcontext", [](std::uint64_t jumps) {
                constexpr std::size_t k_stack = std::size_t{64} * 1024;
                auto const stack = std::make_unique<std::byte[]>(k_stack);
                std::uint64_t count = 0;
                transfer_t other{make_fcontext(stack.get() + k_stack, k_stack, &count_up), nullptr};
                stopwatch const watch;
                for (std::uint64_t i = 0; i < jumps / 2; ++i) {
                    other = jump_fcontext(other.fctx, &count);
                }
                double const took = watch.nanoseconds();
                expect_equal(count, jumps / 2, "jumps");
                return took / static_cast<double>(jumps);
            }};
}

}  // namespace bench
