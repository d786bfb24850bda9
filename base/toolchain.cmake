# Compiler flags and build flavours. A flavour changes how code is checked, never what it does.
set(BATON_FLAVOR release CACHE STRING "release, debug, asan, tsan, coverage or fuzz")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# Libraries and programs share one precompiled header, so both use the compiler's own default (PIE).
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# The order of float operations is part of the contract (README, "Same request, same bytes"):
# the compiler may not contract, reassociate or vectorise reductions on its own.
set(BATON_FLAGS -Wall -Wextra -Wno-missing-field-initializers -ffp-contract=off -fno-math-errno)
set(BATON_LINK_FLAGS "")

if(BATON_FLAVOR STREQUAL "release")
  list(APPEND BATON_FLAGS -O2 -g1)
elseif(BATON_FLAVOR STREQUAL "debug")
  list(APPEND BATON_FLAGS -O0 -g)
elseif(BATON_FLAVOR STREQUAL "asan")
  list(APPEND BATON_FLAGS -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all
              -fno-omit-frame-pointer)
  list(APPEND BATON_LINK_FLAGS -fsanitize=address,undefined)
elseif(BATON_FLAVOR STREQUAL "tsan")
  list(APPEND BATON_FLAGS -O1 -g1 -fsanitize=thread -Wno-tsan)
  list(APPEND BATON_LINK_FLAGS -fsanitize=thread)
elseif(BATON_FLAVOR STREQUAL "coverage")
  list(APPEND BATON_FLAGS -O0 -g --coverage)
  list(APPEND BATON_LINK_FLAGS --coverage)
elseif(BATON_FLAVOR STREQUAL "fuzz")
  list(APPEND BATON_FLAGS -O1 -g1 -fsanitize=address,undefined,fuzzer-no-link)
  list(APPEND BATON_LINK_FLAGS -fsanitize=address,undefined)
else()
  message(FATAL_ERROR "BATON_FLAVOR=${BATON_FLAVOR} is none of release, debug, asan, tsan, coverage, fuzz")
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND BATON_FLAGS -fpch-preprocess)
  endif()
endif()
find_program(MOLD mold)
if(MOLD)
  list(APPEND BATON_LINK_FLAGS -fuse-ld=mold)
endif()

set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(GTest REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
