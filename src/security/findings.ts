/** Kinds of sensitive things. */
export type Category =
  | 'authentication'
  | 'business_confidential'
  | 'code_security'
  | 'configured'
  | 'financial_data'
  | 'health_data'
  | 'legal_information'
  | 'personal_data';

/** Something that texts may have. Each counts once, however often it is there. */
export interface Finding {
  /** Of a keyword the keyword, of a pattern its name. */
  readonly name: string;
  readonly category: Category;
  /** What it adds to the score, in hundredths. */
  readonly weight: number;
  /** A word that counts only where somebody says something: those that describe tools, or name their arguments, are full of them. */
  readonly common?: boolean;
}

/** Told of what was found. */
export type Found = (finding: Finding) => void;

const pattern = (name: string, category: Category, weight = 80): Finding => ({ name, category, weight });

/** What has the form of a secret. One is enough, but for an address of e-mail, which is in half of all signatures. */
export const patterns = {
  apiKey: pattern('api_key', 'authentication'),
  awsKey: pattern('aws_key', 'authentication'),
  privateKey: pattern('private_key_block', 'authentication'),
  webToken: pattern('json_web_token', 'authentication'),
  azureKey: pattern('azure_key', 'authentication'),
  slackWebhook: pattern('slack_webhook', 'authentication'),
  botToken: pattern('bot_token', 'authentication'),
  urlPassword: pattern('password_in_url', 'authentication'),
  card: pattern('card_number', 'financial_data'),
  iban: pattern('bank_account_number', 'financial_data'),
  ssn: pattern('social_security_number', 'personal_data'),
  email: pattern('email_address', 'personal_data', 30),
} as const;
