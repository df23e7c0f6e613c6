package codegeex;

/**
 * Memory that a model will need, in bytes.
 *
 * @param weightsMapped weights used in place in mapped files, shared between processes
 * @param weightsOwned weights in private memory
 * @param cachePerToken KV cache of one token
 * @param cache KV cache of all sequences at full length
 * @param scratch activations of the largest call, and logits
 * @param total the sum of the parts
 */
public record MemoryEstimate(
        long weightsMapped, long weightsOwned, long cachePerToken, long cache, long scratch, long total) {}
