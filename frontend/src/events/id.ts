const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'; // Crockford's base 32: no i, l, o, u

/** A new id of 26 characters, as the service makes them: 48 bits of milliseconds, then 80 random bits. */
export function newId(nowMs: number = Date.now(), random: Uint8Array = crypto.getRandomValues(new Uint8Array(10))): string {
  let number = BigInt(Math.floor(nowMs)) & ((1n << 48n) - 1n);
  for (const byte of random.subarray(0, 10)) number = (number << 8n) | BigInt(byte);
  let id = '';
  for (let shift = 125n; shift >= 0n; shift -= 5n) id += ALPHABET[Number((number >> shift) & 31n)];
  return id;
}

/** When an id was made, in ms since the epoch; 0 for what is no id. */
export function madeMs(id: string): number {
  let number = 0;
  for (const character of id.slice(0, 10)) number = number * 32 + Math.max(0, ALPHABET.indexOf(character));
  return number;
}
