// SPDX-License-Identifier: BSL-1.0
#include "bench/process_pool/process_pool.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bench::process_pool {
namespace {

std::uint64_t first_word(std::span<std::byte const> bytes) {
    std::uint64_t word = 0;
    std::uint64_t pages = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    for (std::size_t at = 4096; at < bytes.size(); at += 4096) {
        pages += static_cast<std::uint64_t>(bytes[at]);
    }
    return pages == ~std::uint64_t{0} ? pages : word;
}

struct setting {
    explicit setting(std::size_t size) : bytes(size) {}

    double slice(std::uint64_t units) {
        stopwatch const watch;
        for (std::uint64_t i = 0; i < units; ++i) {
            one(i);
        }
        return watch.nanoseconds() / static_cast<double>(units);
    }

    void one(std::uint64_t i) {
        std::memcpy(bytes.data(), &i, sizeof i);
        expect_equal(pool.submit<&first_word>(bytes).get(), i, "the job's result");
    }

    std::vector<std::byte> bytes;
    coir::process_pool_executor pool{{.max_workers = 1}};
};

struct with_runtime {
    explicit with_runtime(std::size_t bytes) : inner(bytes) {}
    coir::runtime home{{.workers = 1}};
    setting inner;
};

// A task that does this. The runtime and the pool are made with the first slice: the floors fork before there are threads.
competitor task_that(std::string name, std::size_t size, std::function<double(setting&, std::uint64_t units)> work) {
    auto const made = std::make_shared<std::unique_ptr<with_runtime>>();
    return {std::move(name), [made, size, work = std::move(work)](std::uint64_t units) {
                if (!*made) {
                    *made = std::make_unique<with_runtime>(size);
                }
                return (*made)->home.block_on([&] { return work((*made)->inner, units); });
            }};
}

}  // namespace

competitor coir_from_a_task(std::size_t size) {
    return task_that("coir, task", size, [](setting& s, std::uint64_t units) { return s.slice(units); });
}

// As after_pauses(), but it is the task that pauses: the thread that started it has nothing to do with what is measured.
competitor coir_from_a_task_after_pauses(std::size_t size, std::chrono::microseconds pause, bool alone) {
    return task_that(alone ? "coir, task" : "coir, task not alone", size, [=](setting& s, std::uint64_t units) {
        auto const other = coir::spawn([alone] {
            if (!alone) {
                coir::sleep(std::chrono::hours(1));
            }
        });
        std::uint64_t i = 0;
        double const result = median_after_pauses(
            units, [&] { coir::sleep(pause); },
            [&] {
                stopwatch const watch;
                s.one(i++);
                return watch.nanoseconds();
            });
        other.cancel();
        other.wait();
        return result;
    });
}

competitor coir_from_a_thread(std::size_t size) {
    auto const made = std::make_shared<std::unique_ptr<setting>>();
    return {"coir, thread", [made, size](std::uint64_t units) {
                if (!*made) {
                    *made = std::make_unique<setting>(size);
                }
                return (*made)->slice(units);
            }};
}

}  // namespace bench::process_pool
