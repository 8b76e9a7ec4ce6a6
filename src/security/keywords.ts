import type { Category, Finding } from './findings.ts';

/** What a keyword adds to the score, in hundredths: four of them are sensitive at the usual threshold. */
const weight = 20;

/** The built-in words, by what they are about. */
const builtIn: Readonly<Partial<Record<Category, string>>> = {
  authentication:
    'password, passwd, pwd, secret, token, key, credential, auth, authentication, authorization, oauth, bearer, private key, seed phrase',
  personal_data: 'ssn, social security, social security number, pin, address, phone, email, birthdate',
  financial_data: 'credit card, ccv, cvv, bank account, routing number, iban, swift, bitcoin, wallet',
  business_confidential:
    'confidential, internal, proprietary, trade secret, nd, non-disclosure, nda, intellectual property',
  health_data: 'medical, health, diagnosis, treatment, patient, phi, protected health information',
  legal_information: 'contract, agreement, legal, litigation, compliance',
};

/** @param configured further ones, each of one or more words */
export function keywordFindings(configured: readonly string[]): Finding[] {
  const found = new Map<string, Finding>();
  for (const [category, words] of Object.entries(builtIn)) {
    for (const name of words.split(', ')) {
      found.set(name, { name, category: category as Category, weight, common: true });
    }
  }
  for (const word of configured) {
    const name = word.normalize('NFC').toLowerCase();
    if (!found.has(name)) found.set(name, { name, category: 'configured', weight });
  }
  return [...found.values()];
}
