package codegeex;

/**
 * What a model will take, in bytes.
 *
 * @param weightsMapped weights used where they lie in mapped files, shared between processes
 * @param weightsOwned weights in memory of their own
 * @param cachePerToken keys and values of one token
 * @param cache keys and values of every sequence at its full length
 * @param scratch activations of the largest call, and logits
 * @param total all of it
 */
public record MemoryEstimate(
        long weightsMapped, long weightsOwned, long cachePerToken, long cache, long scratch, long total) {}
