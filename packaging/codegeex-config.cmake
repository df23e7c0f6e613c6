# Imported targets of an installed codegeex: codegeex::codegeex is the shared library,
# codegeex::static the static one.
get_filename_component(_codegeex_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

foreach(_codegeex_kind shared static)
  if(_codegeex_kind STREQUAL shared)
    set(_codegeex_target codegeex::codegeex)
    set(_codegeex_file "${_codegeex_prefix}/lib/libcodegeex.so")
  else()
    set(_codegeex_target codegeex::static)
    set(_codegeex_file "${_codegeex_prefix}/lib/libcodegeex.a")
  endif()
  if(EXISTS "${_codegeex_file}" AND NOT TARGET ${_codegeex_target})
    string(TOUPPER ${_codegeex_kind} _codegeex_type)
    add_library(${_codegeex_target} ${_codegeex_type} IMPORTED)
    set_target_properties(${_codegeex_target} PROPERTIES
      IMPORTED_LOCATION "${_codegeex_file}"
      INTERFACE_INCLUDE_DIRECTORIES "${_codegeex_prefix}/include")
  endif()
endforeach()
if(TARGET codegeex::static)
  set_target_properties(codegeex::static PROPERTIES
    INTERFACE_LINK_LIBRARIES "gcc_s;pthread;m;dl;c")
endif()
if(NOT TARGET codegeex::codegeex)
  set(codegeex_FOUND FALSE)
  set(codegeex_NOT_FOUND_MESSAGE "there is no libcodegeex.so in ${_codegeex_prefix}/lib")
endif()
