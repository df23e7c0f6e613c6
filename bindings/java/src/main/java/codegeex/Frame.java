package codegeex;

import static codegeex.Native.D;
import static codegeex.Native.F;
import static codegeex.Native.I;
import static codegeex.Native.L;
import static codegeex.Native.P;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The memory of one call: its arguments, the places for its results, and for its error. */
final class Frame implements AutoCloseable {
    private final Arena arena = Arena.ofConfined();
    /** Where the call puts its error. */
    final MemorySegment error = arena.allocate(P);

    /** An argument that is a text or an array: where, and how many. */
    record Array(MemorySegment at, long len) {}

    /** Throws the error of a call that failed. */
    void check(int status) {
        if (status != Native.OK) {
            throw CodegeexException.take(status, error.get(P, 0));
        }
    }

    /** Frees the error of a call, where something else is thrown. */
    void dropError() {
        Native.error_free(at(error));
    }

    Array text(String text) {
        ByteBuffer bytes;
        try {
            bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
        } catch (CharacterCodingException e) {
            throw new CodegeexException(Status.INVALID_UTF8,
                    "the text has an unpaired surrogate, which UTF-8 cannot encode", List.of());
        }
        return new Array(arena.allocate(Math.max(bytes.remaining(), 1)).copyFrom(MemorySegment.ofBuffer(bytes)),
                bytes.remaining());
    }

    Array ids(int[] ids) {
        return new Array(arena.allocateFrom(I, ids), ids.length);
    }

    Array floats(float[] values) {
        return new Array(arena.allocateFrom(F, values), values.length);
    }

    Array texts(List<String> texts) {
        long each = Native.text.LAYOUT.byteSize();
        MemorySegment all = arena.allocate(each * Math.max(texts.size(), 1), P.byteAlignment());
        long at = 0;
        for (String text : texts) {
            Array one = text(text);
            all.set(P, at + Native.text.data, one.at());
            all.set(L, at + Native.text.len, one.len());
            at += each;
        }
        return new Array(all, texts.size());
    }

    Array likelihoods(List<Likelihood> likelihoods) {
        long each = Native.likelihood.LAYOUT.byteSize();
        MemorySegment all = arena.allocate(each * Math.max(likelihoods.size(), 1), P.byteAlignment());
        long at = 0;
        for (Likelihood likelihood : likelihoods) {
            Array logprobs = floats(likelihood.logprobs());
            all.set(P, at + Native.likelihood.logprobs, logprobs.at());
            all.set(L, at + Native.likelihood.logprobs_len, logprobs.len());
            if (likelihood.suffix() != null) {
                Array suffix = floats(likelihood.suffix());
                all.set(P, at + Native.likelihood.suffix, suffix.at());
                all.set(L, at + Native.likelihood.suffix_len, suffix.len());
            }
            at += each;
        }
        return new Array(all, likelihoods.size());
    }

    Array bytes(byte[] bytes) {
        return new Array(arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes), bytes.length);
    }

    Array pointers(List<MemorySegment> pointers) {
        MemorySegment at = arena.allocate(P, Math.max(pointers.size(), 1));
        for (int i = 0; i < pointers.size(); i++) {
            at.setAtIndex(P, i, pointers.get(i));
        }
        return new Array(at, pointers.size());
    }

    /** A place for a pointer. */
    MemorySegment pointer() {
        return arena.allocate(P);
    }

    /** A place for a size, or any number of 64 bits. */
    MemorySegment size() {
        return arena.allocate(L);
    }

    MemorySegment number() {
        return arena.allocate(F);
    }

    MemorySegment wide() {
        return arena.allocate(D);
    }

    /** A struct that says its size. */
    MemorySegment struct(StructLayout layout) {
        MemorySegment at = arena.allocate(layout);
        at.set(L, 0, layout.byteSize());
        return at;
    }

    @Override
    public void close() {
        arena.close();
    }

    /** The pointer in a place. */
    static MemorySegment at(MemorySegment place) {
        return place.get(P, 0);
    }

    /** Copies a text that belongs to the library. */
    static String text(MemorySegment at, long len) {
        if (at.address() == 0 || len == 0) {
            return "";
        }
        return new String(at.reinterpret(len).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    /** Copies a static NUL-terminated text; null for NULL. */
    static String text(MemorySegment at) {
        return at.address() == 0 ? null : at.reinterpret(Long.MAX_VALUE).getString(0);
    }

    /** A text that belongs to a handle, by the function that says its length. */
    String lent(java.util.function.Function<MemorySegment, MemorySegment> function) {
        MemorySegment len = size();
        MemorySegment at = function.apply(len);
        return text(at, len.get(L, 0));
    }

    static int[] ints(MemorySegment at, long len) {
        return at.address() == 0 ? new int[0] : at.reinterpret(4 * len).toArray(I);
    }

    static float[] floats(MemorySegment at, long len) {
        return at.address() == 0 ? new float[0] : at.reinterpret(4 * len).toArray(F);
    }

    static List<TokenLogprob> pairs(MemorySegment at, long len) {
        if (at.address() == 0 || len == 0) {
            return List.of();
        }
        long each = Native.token_logprob.LAYOUT.byteSize();
        MemorySegment all = at.reinterpret(each * len);
        List<TokenLogprob> pairs = new ArrayList<>();
        for (long i = 0; i < len; i++) {
            pairs.add(new TokenLogprob(all.get(I, i * each + Native.token_logprob.id),
                    all.get(F, i * each + Native.token_logprob.logprob)));
        }
        return Collections.unmodifiableList(pairs);
    }

    /** Copies a text that the library gave away, and frees it. */
    static String takeText(MemorySegment place, MemorySegment len) {
        MemorySegment at = at(place);
        try {
            return text(at, len.get(L, 0));
        } finally {
            Native.free(at);
        }
    }

    static int[] takeInts(MemorySegment place, MemorySegment len) {
        MemorySegment at = at(place);
        try {
            return ints(at, len.get(L, 0));
        } finally {
            Native.free(at);
        }
    }

    static byte[] takeBytes(MemorySegment place, MemorySegment len) {
        MemorySegment at = at(place);
        try {
            return at.reinterpret(len.get(L, 0)).toArray(ValueLayout.JAVA_BYTE);
        } finally {
            Native.free(at);
        }
    }

    static List<TokenLogprob> takePairs(MemorySegment place, MemorySegment len) {
        MemorySegment at = at(place);
        try {
            return pairs(at, len.get(L, 0));
        } finally {
            Native.free(at);
        }
    }

    /** A size of Java's, which may not be negative. */
    static long size(long size, String what) {
        if (size < 0) {
            throw new IllegalArgumentException(what + " is " + size + ", expected no negative number");
        }
        return size;
    }
}
