package codegeex

// #cgo pkg-config: codegeex
// #include "callbacks.h"
import "C"

import "unsafe"

// Go texts and arrays are lent to the library for the duration of a call; it keeps no pointer to
// them. Data that the library returns is copied and freed.

func cText(text string) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text))
}

func cIDs(ids []uint32) (*C.uint32_t, C.size_t) {
	return (*C.uint32_t)(unsafe.Pointer(unsafe.SliceData(ids))), C.size_t(len(ids))
}

func cBytes(bytes []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(bytes))), C.size_t(len(bytes))
}

// goString copies a text that belongs to the library.
func goString(text *C.char, n C.size_t) string {
	if text == nil || n == 0 {
		return ""
	}
	return string(unsafe.Slice((*byte)(unsafe.Pointer(text)), int(n)))
}

// goSlice copies an array that belongs to the library, of elements that look the same in both
// languages.
func goSlice[To, From any](data *From, n C.size_t) []To {
	if data == nil || n == 0 {
		return nil
	}
	return append([]To(nil), unsafe.Slice((*To)(unsafe.Pointer(data)), int(n))...)
}

// takeString copies a text that the library gave away, and frees it.
func takeString(text *C.char, n C.size_t) string {
	defer C.codegeex_free(unsafe.Pointer(text))
	return goString(text, n)
}

// takeSlice copies an array that the library gave away, and frees it.
func takeSlice[To, From any](data *From, n C.size_t) []To {
	defer C.codegeex_free(unsafe.Pointer(data))
	return goSlice[To](data, n)
}

// lent reads a text that belongs to a handle by a function that says its length.
func lent(f func(n *C.size_t) *C.char) string {
	var n C.size_t
	text := f(&n)
	return goString(text, n)
}

func cBool(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}
