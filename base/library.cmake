# baton_library, baton_program, baton_test: one CMake library a folder, strictly downwards.
#
# Every library has a level. Linking a library of the same or a higher level stops the
# configuration; tests/tidy checks the same rule on #include lines.

set(BATON_LEVEL_base 0)
set(BATON_LEVEL_proto 10)
set(BATON_LEVEL_parallel 10)
set(BATON_LEVEL_kernels 10)
set(BATON_LEVEL_kvcache 20)
set(BATON_LEVEL_checkpoint 30)
set(BATON_LEVEL_text 30)
set(BATON_LEVEL_layers 31)
set(BATON_LEVEL_model 32)
set(BATON_LEVEL_scheduler 30)
set(BATON_LEVEL_prefill 40)
set(BATON_LEVEL_decode 40)
set(BATON_LEVEL_relay 40)
set(BATON_LEVEL_server 50)
set(BATON_LEVEL_deploy 60)

function(baton_settings target)
  target_compile_options(${target} PRIVATE ${BATON_FLAGS})
  target_link_options(${target} PRIVATE ${BATON_LINK_FLAGS})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

# baton_library(NAME SOURCES a.cpp ... [LINK lower ...] [EXTERNAL imported ...])
function(baton_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;EXTERNAL" ${ARGN})
  if(NOT DEFINED BATON_LEVEL_${name})
    message(FATAL_ERROR "library ${name} has no level in base/library.cmake")
  endif()
  add_library(baton_${name} STATIC ${ARG_SOURCES})
  baton_settings(baton_${name})
  foreach(lower ${ARG_LINK})
    if(NOT BATON_LEVEL_${lower} LESS BATON_LEVEL_${name})
      message(FATAL_ERROR
        "${name} (level ${BATON_LEVEL_${name}}) may not link ${lower} (level ${BATON_LEVEL_${lower}})")
    endif()
    target_link_libraries(baton_${name} PUBLIC baton_${lower})
  endforeach()
  target_link_libraries(baton_${name} PUBLIC ${ARG_EXTERNAL})
  if(NOT name STREQUAL "base")
    target_precompile_headers(baton_${name} REUSE_FROM baton_base)
  endif()
endfunction()

# baton_program(NAME SOURCES main.cpp ... LINK libraries ...): build/<preset>/bin/NAME
function(baton_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;EXTERNAL" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  baton_settings(${name})
  list(TRANSFORM ARG_LINK PREPEND baton_)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} ${ARG_EXTERNAL})
  target_precompile_headers(${name} REUSE_FROM baton_base)
endfunction()

# What only tests are compiled with: without optimisation, which halves their build and changes no
# check, and with a precompiled header of their own that holds googletest too.
set(BATON_TEST_FLAGS ${BATON_FLAGS})
list(FILTER BATON_TEST_FLAGS EXCLUDE REGEX "^-O[12]$|^-g1$")
list(APPEND BATON_TEST_FLAGS -O0)

function(baton_test_settings target)
  target_compile_options(${target} PRIVATE ${BATON_TEST_FLAGS})
  target_link_options(${target} PRIVATE ${BATON_LINK_FLAGS})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  if(NOT TARGET baton_test_main)
    set(support ${CMAKE_SOURCE_DIR}/tests/support)
    add_library(baton_test_main STATIC ${support}/main.cpp ${support}/source_dir.cpp)
    set_source_files_properties(${support}/source_dir.cpp PROPERTIES
      COMPILE_DEFINITIONS BATON_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SKIP_PRECOMPILE_HEADERS ON)
    target_link_libraries(baton_test_main PUBLIC baton_base GTest::gmock GTest::gtest)
    baton_test_settings(baton_test_main)
    target_precompile_headers(baton_test_main PRIVATE ${support}/pch.h)
  endif()
endfunction()

# baton_test(NAME LABEL unit SOURCES a_test.cpp ... LINK libraries ...): googletest cases in ctest
function(baton_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LINK;EXTERNAL" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  baton_test_settings(${name})
  list(TRANSFORM ARG_LINK PREPEND baton_)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} ${ARG_EXTERNAL} baton_test_main)
  target_precompile_headers(${name} REUSE_FROM baton_test_main)
  include(GoogleTest)
  gtest_discover_tests(${name} TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()
