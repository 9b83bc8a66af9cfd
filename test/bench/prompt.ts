/** The prompt of the default guest's shell. */
export const PROMPT = /root@hartbox:\S*[#$] /;
