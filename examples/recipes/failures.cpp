// SPDX-License-Identifier: BSL-1.0
//
// One failure of a group is thrown as itself, several as an exception_group, which may hold others.

#include "recipes.hpp"

#include <coir/coir.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

namespace {

void print(std::exception_ptr const& error, std::string const& indent = "") {
    try {
        std::rethrow_exception(error);
    } catch (coir::exception_group const& group) {
        std::cout << indent << group.exceptions().size() << " failures:\n";
        for (auto const& one : group.exceptions()) {
            print(one, indent + "  ");
        }
    } catch (std::exception const& e) {
        std::cout << indent << e.what() << '\n';
    }
}

void load_page() {
    coir::scope([](coir::task_group& parts) {
        parts.spawn([] {
            coir::sleep(1ms);
            throw std::runtime_error("no text");
        });
        parts.spawn([] {
            try {
                coir::sleep(1h);
            } catch (coir::cancelled const&) {  // since the text has failed
                throw std::runtime_error("and the pictures cannot be put away");
            }
        });
    });
}

void load_site() {
    coir::scope([](coir::task_group& pages) {
        pages.spawn(load_page);
        pages.spawn([] {
            coir::cancel_shield const to_the_end;
            coir::sleep(10ms);
            throw std::runtime_error("no index");
        });
        pages.spawn([] {
            coir::sleep(1h);  // cancelled, which is no failure
        });
    });
}

}  // namespace

void recipes::failures() {
    try {
        coir::run({.workers = 1, .virtual_time = true}, load_site);
    } catch (std::exception const& e) {
        print(std::current_exception());
        std::cout << "in one line: " << e.what() << '\n';
    }
}
