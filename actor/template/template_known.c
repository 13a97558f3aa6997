#include "actor/template/chat_style.h"

// The published chat templates, by the SHA-256 of their canonical form
// (jinja_canon.h): what was published under several spellings has one line.
static const struct {
    const char *form, *style;
} known[] = {
    // Qwen2.5, its Coder, its Math and its base models
    {"83d1bed34f5e6b2553c2737e370dfe9d82ea854c25625ab3c3b9901d28353cda", "qwen2.5"},
    // Qwen2.5, as others write it
    {"34b9691a9b5e9aadd7daef3fbb3a795c75ea540909aa321c376b319adf7da0ae", "qwen2.5"},
    // Qwen2, Qwen1.5, SmolLM2
    {"a6cb17c28642783b79374bfb10efe99d11842eea0ad4219dee9dd05c295a13bd", "qwen2.5"},
    // LLaMA-Factory's for Qwen2
    {"a8777f26159d7e478e3ebae411f574635233dbd6469b2eec374bbd5930647630", "qwen2-factory"},
    // Qwen3 and its base models
    {"b625270b97498c67c47c1e9cb1c8fbe655b97a3165a633e470bd1d72640b6b1b", "qwen3"},
    // Qwen3, first revision
    {"f3903fbf70ba6d5acef1975b929221cade0b34e7c7556807f8a5ffe6d57e8efa", "qwen3"},
    // Qwen3, as others write it
    {"7c25fa4d64f5ac176044b43dc3d25d8034b1f707815bfe71191a00465cebbd42", "qwen3"},
    // Qwen3-Instruct-2507
    {"ef475196f8dcf1ac3306a102051ba60d86a02cb8651fb52b7e1266d160e39c6b", "chatml"},
    // Qwen3-Thinking-2507
    {"81d172eeff6f8e88ce8cdf0ed369c29132408f05d8fa4c75b3839a12982fab0b", "qwen3-thinking"},
    // Llama 3
    {"117c52b6b295518463d61249365dd0b0a7fa8df2a06afb46eaaf94a276ddd7b1", "llama3"},
    // Llama 3, first revision
    {"bf52aa75ddf49575bd2b1808d2225f1740c8718564b7e74f3341a59ac24ad4ba", "llama3-open"},
    // Llama 3, as others write it
    {"f73d4cf3803b84bde07aebd187e5681a208ae2cf047118c629c87198e6829a95", "llama3"},
    {"69c15b1ebc355a7c89c9d1cc41324cfc8df0db78cc47041dde010612a130c45f", "llama3"},
    // Llama 3.1
    {"166346b1913cea8b7811f42d4ed4ce6d0daf6cb3a9317499d965465076a0efdd", "llama3.1"},
    // Llama 3.2 and 3.3
    {"d5d94de721a4c3d31680dc3ce5017454e942b60fe74d44dbc402369b691ed85f", "llama3.1"},
    // DeepSeek-R1
    {"ff2b0f6a4ddac63822f45e2b2df1e4dbe643007f38492b9477af361b4e5151cf", "deepseek-r1"},
    // DeepSeek-V3 and R1, first revision
    {"8bcb9bc83c6ebd4262b8245c705fb6de18c62f0fd524a83f25dcfe2c040a458d", "deepseek-v3"},
    // DeepSeek-R1-Distill
    {"9fa16a3e9b34d252acfa780f2eb6091b2f93b99c2e4e946e2e7b7d7cd326b440", "deepseek-r1-distill"},
    // the same, tools as JSON
    {"01d0dd6b0f2c56f9699355c5d326f7d6d5fbde5df4f28b0256402be5e487104c", "deepseek-r1-distill"},
    // DeepSeek-R1-Distill, first revision: no <think> is opened
    {"8788f00bf222881f27026802fe6a602a9e981fcdc7828f4d46dffaaaf08ee9b5",
     "deepseek-r1-distill-plain"},
    // DeepSeek-R1-0528
    {"969fc6df37802307d4d3a609716bfaa082716d10d00d39e103b59cfe59e78c0b", "deepseek-r1-0528"},
    // DeepSeek-R1-0528-Qwen3-8B
    {"21bf12877cbea73760f3e3251dada98ddd52a91844bc6925f952bdf081fabda9", "deepseek-r1-0528"},
    // ChatML
    {"2a12cb6e4bb605b129f564ecfa651e43aa7f319dc5dd7a81350955ff0b5be412", "chatml"},
    // ChatML, as others write it
    {"c6109111cbceb2f62974511c741ce1bf09c8109866a610cc68b70f7b50cccfef", "chatml"},
    // ChatML, as others write it
    {"7d82455b9d7fcd55c77c031816c2239cf274c4ac811a41d85cb7f03aac1e9622", "chatml"},
};

const struct chat_style *chat_style_of(const struct hash *form)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct hash hash;
        if (hash_from_hex(&hash, known[i].form) && hash_is_equal(&hash, form))
            return chat_style_find(known[i].style);
    }
    return NULL;
}
