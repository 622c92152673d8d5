// SPDX-License-Identifier: BSL-1.0
//
// A small web server on coir::net::http: coir_server --help

#include "compress.hpp"
#include "files.hpp"
#include "page.hpp"
#include "stop_signals.hpp"

#include <coir/coir.hpp>
#include <coir/net.hpp>
#include <coir/process_pool.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>

#include <sys/resource.h>

namespace {

using coir::net::http::request;
using coir::net::http::response;
using coir::net::http::response_writer;
using namespace std::chrono_literals;

constexpr auto k_drain_time = 15min;  // longer than anything here takes

struct settings {
    std::string host = "127.0.0.1";
    unsigned port = 8080;
    unsigned workers = 0;
    unsigned processes = 0;
    std::string files;
};

// A whole number from the query; empty if it is none, or out of range.
std::optional<std::uint64_t> number_from(request const& r, char const* name, std::uint64_t largest) {
    std::string const text = r.query(name);
    std::uint64_t value = 0;
    auto const end = text.data() + text.size();
    auto const parsed = std::from_chars(text.data(), end, value);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end || value > largest) {
        return std::nullopt;
    }
    return value;
}

response bad_number(char const* name, std::uint64_t largest) {
    return {400, std::string(name) + " must be a whole number from 0 to " + std::to_string(largest) + "\n"};
}

// Holds this task for a while, and no thread.
response sleep_for_a_while(request const& r) {
    constexpr std::uint64_t k_longest = 600'000;
    auto const ms = number_from(r, "ms", k_longest);
    if (!ms) {
        return bad_number("ms", k_longest);
    }
    coir::sleep(std::chrono::milliseconds(*ms));
    return {200, "slept " + std::to_string(*ms) + " ms\n"};
}

std::uint64_t fnv1a(std::uint64_t bytes) {
    std::uint64_t hash = 14695981039346656037u;
    for (std::uint64_t i = 0; i < bytes; ++i) {
        hash = (hash ^ (i & 0xff)) * 1099511628211u;
    }
    return hash;
}

// Keeps a thread busy, but none of the workers.
response hash(request const& r) {
    constexpr std::uint64_t k_largest = 4096;
    auto const mb = number_from(r, "mb", k_largest);
    if (!mb) {
        return bad_number("mb", k_largest);
    }
    auto result = coir::run_in_executor(fnv1a, *mb * 1024 * 1024);
    char text[32];
    std::snprintf(text, sizeof text, "%016llx\n", static_cast<unsigned long long>(result.get()));
    return {200, text};
}

// Computes in a worker process. If that crashes, it costs this one request.
response compress(coir::process_pool_executor& pool, std::string_view data, int level) {
    auto packed = pool.submit<&gzip>(data, level);
    try {
        return {200, packed.get(), "application/gzip"};
    } catch (coir::worker_died const& error) {
        return {500, std::string(error.what()) + "\n"};
    }
}

// What the page shows. The rate is that of the time since somebody last asked, at least half a second.
class statistics {
public:
    explicit statistics(coir::net::http::server const& server) : server_(server) {}

    response operator()() {
        auto const runtime = coir::runtime::current().stats();
        auto const now = coir::clock::now();
        std::uint64_t const requests = server_.requests();
        double rate = 0;
        {
            std::lock_guard const guard(lock_);
            auto const passed = std::chrono::duration<double>(now - since_).count();
            if (passed >= 0.5) {
                rate_ = static_cast<double>(requests - counted_) / passed;
                counted_ = requests;
                since_ = now;
            }
            rate = rate_;
        }
        nlohmann::json const json{
            {"workers", runtime.workers},
            {"tasks", runtime.tasks_spawned - runtime.tasks_ended},
            {"connections", server_.connections()},
            {"requests", requests},
            {"requests_per_second", static_cast<std::uint64_t>(std::llround(rate))},
            {"uptime", std::chrono::duration<double>(now - start_).count()},
        };
        response answer{200, json.dump(), "application/json"};
        answer.set_header("Cache-Control", "no-store");
        return answer;
    }

private:
    coir::net::http::server const& server_;
    coir::clock::time_point const start_ = coir::clock::now();
    coir::mutex lock_;
    std::uint64_t counted_ = 0;
    coir::clock::time_point since_ = start_;
    double rate_ = 0;
};

void serve(settings const& chosen, file_directory const* files, stop_signals& signals) {
    coir::process_pool_executor pool({.max_workers = chosen.processes});  // none is started before it is needed
    coir::net::http::server server;
    statistics stats(server);

    server.route("GET", "/", [](request const&) {
        return response{200, std::string(page_html), "text/html; charset=utf-8"};
    });
    server.route("GET", "/plaintext", [](request const&) { return response{200, "Hello, World!"}; });
    server.route("GET", "/json", [](request const&) {
        return response{200, nlohmann::json{{"message", "Hello, World!"}}.dump(), "application/json"};
    });
    server.route("POST", "/echo", [](request const& r) {
        std::string const type = r.header("Content-Type");
        return response{200, r.body(), type.empty() ? "application/octet-stream" : type};
    });
    server.route("GET", "/sleep", sleep_for_a_while);
    server.route("GET", "/hash", hash);
    server.route("POST", "/gzip", [&pool](request const& r) {
        auto const level = r.has_query("level") ? number_from(r, "level", 9) : 6;
        return level ? compress(pool, r.body(), static_cast<int>(*level)) : bad_number("level", 9);
    });
    server.route("GET", "/crash", [&pool](request const&) { return compress(pool, "crash!", 6); });
    server.route("GET", "/stats", [&stats](request const&) { return stats(); });
    if (files != nullptr) {
        server.route("GET", "/files/{path...}",
                     [files](request& r, response_writer& answer) { files->send(r, answer); });
    }

    server.listen(chosen.host, chosen.port);
    std::printf("coir_server: listening on http://%s/\n", server.local_endpoint().to_string().c_str());
    std::fflush(stdout);
    signals.on_first([&server] {
        std::fputs("coir_server: finishing what has been asked for; interrupt again to end at once\n", stderr);
        server.drain(k_drain_time);
    });
    server.serve_forever();
    signals.join();
}

// A connection is a descriptor: as many as the system lets this process have.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

// 2 for bad options, 0 for --help: then `chosen` is of no use.
std::optional<int> parse(int argc, char** argv, settings& chosen) {
    CLI::App app{"A small web server on coir.", "coir_server"};
    app.add_option("--host", chosen.host, "Address or name to listen on")->capture_default_str();
    app.add_option("--port", chosen.port, "Port to listen on; 0: any that is free")
        ->check(CLI::Range(0u, 65535u))
        ->capture_default_str();
    app.add_option("--workers", chosen.workers, "Worker threads; 0: one for each core")
        ->check(CLI::Range(0u, 1024u))
        ->capture_default_str();
    app.add_option("--processes", chosen.processes, "Worker processes for /gzip; 0: one for each core")
        ->check(CLI::Range(0u, 1024u))
        ->capture_default_str();
    app.add_option("--files", chosen.files, "Directory to serve below /files/; without it there is none")
        ->check(CLI::ExistingDirectory);
    try {
        app.parse(argc, argv);
        return std::nullopt;
    } catch (CLI::ParseError const& error) {
        return app.exit(error, std::cout, std::cerr) == 0 ? 0 : 2;
    }
}

}  // namespace

int main(int argc, char** argv) {
    coir::serve_if_worker(argc, argv);
    settings chosen;
    if (auto const status = parse(argc, argv, chosen)) {
        return *status;
    }
    std::optional<file_directory> files;
    if (!chosen.files.empty()) {
        try {
            files.emplace(chosen.files);
        } catch (std::system_error const& error) {
            std::fprintf(stderr, "coir_server: --files: %s\n", error.what());
            return 2;
        }
    }
    raise_descriptor_limit();
    try {
        stop_signals signals;
        coir::run(coir::runtime_options{.workers = chosen.workers},
                  [&] { serve(chosen, files ? &*files : nullptr, signals); });
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "coir_server: %s\n", error.what());
        return 1;
    }
}
