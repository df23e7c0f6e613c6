package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"unsafe"
)

// Wanted is which logits State.Decode returns.
type Wanted int32

const (
	// WantedNone: no logits, the tokens are only added to the state.
	WantedNone Wanted = C.CODEGEEX_LOGITS_NONE
	// WantedLast: logits of the last token only.
	WantedLast Wanted = C.CODEGEEX_LOGITS_LAST
	// WantedAll: logits of every token.
	WantedAll Wanted = C.CODEGEEX_LOGITS_ALL
)

// A State is the KV cache of one sequence. It serves one call at a time.
type State struct{ own *owner }

func newState(h *C.codegeex_state) *State {
	s := &State{newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_state_free((*C.codegeex_state)(p))
	})}
	return s
}

// NewState creates an empty state.
func (m *Model) NewState() (*State, error) {
	var s *C.codegeex_state
	err := use(m.own, func(h *C.codegeex_model) error {
		return call(func(err **C.codegeex_error) C.codegeex_status { return C.codegeex_state_new(h, &s, err) })
	})
	if err != nil {
		return nil, err
	}
	return newState(s), nil
}

// RestoreState restores a state that a model with the same fingerprint saved. It continues with
// bit-identical results.
func (m *Model) RestoreState(r io.Reader) (*State, error) {
	bytes, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	p, n := cBytes(bytes)
	var s *C.codegeex_state
	err = use(m.own, func(h *C.codegeex_model) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_state_restore(h, p, n, &s, err)
		})
	})
	if err != nil {
		return nil, err
	}
	return newState(s), nil
}

// Prefill processes any number of prompt tokens, in chunks, without logits. Pass the last token to
// Decode. After an error the state holds the chunks that were processed before it.
func (s *State) Prefill(ctx context.Context, ids []uint32) error {
	p, n := cIDs(ids)
	return use(s.own, func(h *C.codegeex_state) error {
		return callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_state_prefill(h, p, n, cancel, err)
		})
	})
}

// Decode processes one or more tokens and returns the wanted logits. They are bit-identical for any
// chunking of the tokens. After an error the state is unchanged.
func (s *State) Decode(ctx context.Context, ids []uint32, wanted Wanted) (*Logits, error) {
	p, n := cIDs(ids)
	var out *C.codegeex_logits
	err := use(s.own, func(h *C.codegeex_state) error {
		return callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_state_decode(h, p, n, C.int32_t(wanted), cancel, &out, err)
		})
	})
	if err != nil {
		return nil, err
	}
	return newLogits(out), nil
}

// DecodeStates is batched decode: it processes one token for each of several distinct states of one
// model, reading the weights once. Row i of the logits is for states[i] and ids[i]. After an error
// all states are unchanged.
func DecodeStates(ctx context.Context, states []*State, ids []uint32) (*Logits, error) {
	if len(states) != len(ids) {
		return nil, &Error{Code: ErrInvalidArgument, Message: "there have to be as many ids as states"}
	}
	handles := make([]*C.codegeex_state, len(states))
	for i, s := range states {
		h, err := s.own.get()
		if err != nil {
			return nil, err
		}
		defer runtime.KeepAlive(s.own)
		handles[i] = (*C.codegeex_state)(h)
	}
	p, n := cIDs(ids)
	var out *C.codegeex_logits
	err := callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_states_decode(unsafe.SliceData(handles), p, n, cancel, &out, err)
	})
	for _, s := range states {
		err = s.own.refused(err)
	}
	if err != nil {
		return nil, err
	}
	return newLogits(out), nil
}

// Len is the number of tokens in the state; 0 while a call runs.
func (s *State) Len() int {
	return ask(s.own, func(h *C.codegeex_state) int { return int(C.codegeex_state_len(h)) })
}

// Bytes is the size of its memory, including memory shared with forks; 0 while a call runs.
func (s *State) Bytes() int {
	return ask(s.own, func(h *C.codegeex_state) int { return int(C.codegeex_state_bytes(h)) })
}

// Truncate keeps only the first tokens. A larger number changes nothing.
func (s *State) Truncate(tokens int) error {
	if err := nonNegative(tokens); err != nil {
		return err
	}
	return use(s.own, func(h *C.codegeex_state) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_state_truncate(h, size(tokens), err)
		})
	})
}

// Fork copies the state. Memory is shared until one of the two processes new tokens.
func (s *State) Fork() (*State, error) {
	var fork *C.codegeex_state
	err := use(s.own, func(h *C.codegeex_state) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_state_fork(h, &fork, err)
		})
	})
	if err != nil {
		return nil, err
	}
	return newState(fork), nil
}

// Save writes the state.
func (s *State) Save(w io.Writer) error {
	return use(s.own, func(h *C.codegeex_state) error {
		return save(w, func(data **C.uint8_t, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_state_save(h, data, n, err)
		})
	})
}

// Close frees the state. It returns nil.
func (s *State) Close() error {
	s.own.close()
	return nil
}

// Logits are the logits of a call, one row per token. They are immutable.
type Logits struct{ own *owner }

func newLogits(h *C.codegeex_logits) *Logits {
	l := &Logits{newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_logits_free((*C.codegeex_logits)(p))
	})}
	return l
}

// Rows is the number of rows.
func (l *Logits) Rows() int {
	return ask(l.own, func(h *C.codegeex_logits) int { return int(C.codegeex_logits_rows(h)) })
}

// VocabSize is the number of logits per row.
func (l *Logits) VocabSize() int {
	return ask(l.own, func(h *C.codegeex_logits) int { return int(C.codegeex_logits_vocab_size(h)) })
}

// Row is a copy of a row.
func (l *Logits) Row(row int) (values []float32, err error) {
	err = lend(l.own, func(h *C.codegeex_logits) error {
		var n C.size_t
		data := C.codegeex_logits_row(h, size(row), &n)
		if data == nil {
			return &Error{Code: ErrInvalidArgument, Message: fmt.Sprintf("there is no row %d", row)}
		}
		values = goSlice[float32](data, n)
		return nil
	})
	return values, err
}

// LogProbability is the log-probability of an id given a row.
func (l *Logits) LogProbability(row int, id uint32) (float32, error) {
	if err := nonNegative(row); err != nil {
		return 0, err
	}
	var logprob C.float
	err := use(l.own, func(h *C.codegeex_logits) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_logits_log_probability(h, size(row), C.uint32_t(id), &logprob, err)
		})
	})
	return float32(logprob), err
}

// Top returns the most likely ids of a row, best first.
func (l *Logits) Top(row, count int) (top []TokenLogprob, err error) {
	if err := nonNegative(row, count); err != nil {
		return nil, err
	}
	err = use(l.own, func(h *C.codegeex_logits) error {
		var data *C.codegeex_token_logprob
		var n C.size_t
		err := call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_logits_top(h, size(row), size(count), &data, &n, err)
		})
		top = takeSlice[TokenLogprob](data, n)
		return err
	})
	return top, err
}

// Close frees the logits. It returns nil.
func (l *Logits) Close() error {
	l.own.close()
	return nil
}
